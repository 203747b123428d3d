// Answers that the server does not have yet, kept in the tab until it acknowledges them.
//
// In: what a rater clicks and writes, what a call carries, and which calls came back. Out: the rest, when the page is opened
// again, and a note while there is any. The tab's session storage outlives a reload and ends with the tab; each link has an
// entry of its own. The page's own events are no help here: none is fired while the connection is lost.
window.unsaved = (() => {
  const key = 'unsaved:' + (new URLSearchParams(location.search).get('r') || '');
  const PATIENCE = 4000;  // milliseconds until an answer without acknowledgement is spoken of
  const calls = {};
  // place -> question -> answer
  const read = () => {
    try { return JSON.parse(sessionStorage.getItem(key)) || {}; } catch { return {}; }
  };
  const write = (kept) => {
    // A browser without storage loses with the page what was not saved, and nothing else.
    try { sessionStorage.setItem(key, JSON.stringify(kept)); } catch { }
  };
  const keep = (question, answer) => {
    const head = document.querySelector('#head [data-place]');
    if (!head) return;
    const kept = read();
    write({...kept, [head.dataset.place]: {...kept[head.dataset.place], [question]: answer}});
    setTimeout(tell, PATIENCE);
  };
  // A comment is saved with the screen: until then nobody need be told of it.
  const tell = () => {
    const open = Object.values(read()).some((given) => Object.keys(given).some((question) => question !== 'comment'));
    let note = document.getElementById('unsaved');
    if (!note && open) {
      note = document.body.appendChild(document.createElement('div'));
      note.id = 'unsaved';
      note.setAttribute('role', 'alert');
    }
    if (note) {
      note.hidden = !open;
      note.textContent = NOT_SAVED[document.querySelector('#head header')?.lang] || '';
    }
  };
  addEventListener('change', ({target}) => {
    const field = target.type === 'radio' && target.closest('fieldset[id]');
    if (field) keep(field.id, target.value);
  }, true);
  addEventListener('input', ({target}) => {
    if (target.closest('#comment')) keep('comment', target.value);
  }, true);
  return {
    // A call carries one answer of a place, or all of them.
    carry: (call, place, question) => {
      const given = read()[place] || {};
      calls[call] = {[place]: question === undefined ? given : question in given ? {[question]: given[question]} : {}};
    },
    // What the call carried is saved, unless another answer was given since.
    carried: (call) => {
      const kept = read();
      for (const [place, given] of Object.entries(calls[call] || {})) {
        for (const question of Object.keys(given)) {
          if (kept[place] && kept[place][question] === given[question]) delete kept[place][question];
        }
        if (kept[place] && !Object.keys(kept[place]).length) delete kept[place];
      }
      write(kept);
      tell();
    },
    open: () => {
      calls.open = read();
      return JSON.stringify(calls.open);
    },
  };
})();
