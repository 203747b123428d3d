/* The studio's page: what HTML and Gradio leave to be done. In: taps, keys, scrolling, selections. Out: the same as the page's
   own events; a sign where a sheet goes on; lines on the clipboard. */
(() => {
  'use strict';

  // A sheet of columns begins at its right side; a sign says that there is more on the left.
  const mark = sheet => {
    const hidden = sheet.scrollWidth - sheet.clientWidth;
    sheet.closest('.poem').classList.toggle('more', hidden - Math.abs(sheet.scrollLeft) > 12);
    if (hidden > 1) sheet.tabIndex = 0;
    else sheet.removeAttribute('tabindex');
  };
  // The poem that is shown is in sight among those of the sitting; whoever looks for another is left alone.
  const showCurrent = sitting => {
    const current = sitting.querySelector('[aria-current]');
    if (!current || sitting.dataset.shown) return;
    sitting.dataset.shown = 'yes';
    sitting.scrollLeft = current.offsetLeft - sitting.offsetLeft - (sitting.clientWidth - current.clientWidth) / 2;
  };
  let waiting = false;
  const markAll = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      document.querySelectorAll('.poem .sheet').forEach(mark);
      document.querySelectorAll('.sitting').forEach(showCurrent);
    });
  };
  document.addEventListener('scroll', event => event.target.matches?.('.sheet') && mark(event.target), true);
  addEventListener('resize', markAll);
  document.addEventListener('click', () => setTimeout(markAll, 100));
  new MutationObserver(markAll).observe(document.documentElement, {childList: true, subtree: true});

  document.addEventListener('keydown', event => {
    if ((event.key === 'Enter' || event.key === ' ') && event.target.matches?.('[role="button"][data-spot]')) {
      event.preventDefault();
      event.target.click();
    }
  });

  // Gradio filters a list when a key goes down, by what then stands in its field: an input method, which commits a whole name
  // at once, and a paste would show the list of what they replaced. A key that means nothing filters by what stands there now.
  document.addEventListener('input', event => {
    const field = event.target;
    if (field.matches?.('input[role="combobox"]'))
      requestAnimationFrame(() => field.dispatchEvent(new KeyboardEvent('keydown', {key: 'Unidentified', bubbles: true})));
  });

  // A selection within a poem is copied as its lines, without readings and signs.
  document.addEventListener('copy', event => {
    const selection = getSelection();
    if (selection.isCollapsed) return;
    const poem = selection.getRangeAt(0).commonAncestorContainer;
    const figure = (poem.nodeType === Node.TEXT_NODE ? poem.parentElement : poem).closest('.poem');
    if (!figure) return;
    const chosen = nodes => [...nodes].filter(node => selection.containsNode(node, true)).map(node => node.textContent).join('');
    const rows = [chosen(figure.querySelectorAll('h3'))];
    for (const sentence of figure.querySelectorAll('.sentence')) rows.push(chosen(sentence.querySelectorAll('.han, .stop')));
    event.clipboardData.setData('text/plain', rows.filter(Boolean).join('\n'));
    event.preventDefault();
  });

  // The whole poem as plain text. Browsers open their clipboard to secure pages alone; elsewhere a selection does it.
  window.copyPoem = async place => {
    const text = document.querySelector(`#${place} .plain`)?.textContent;
    if (!text) return;
    if (navigator.clipboard && isSecureContext) await navigator.clipboard.writeText(text);
    else {
      const area = Object.assign(document.createElement('textarea'), {value: text});
      document.body.append(area);
      area.select();
      document.execCommand('copy');
      area.remove();
    }
    const said = document.querySelector(`#${place} .copied`);
    said.classList.add('now');
    setTimeout(() => said.classList.remove('now'), 2500);
  };
})();
