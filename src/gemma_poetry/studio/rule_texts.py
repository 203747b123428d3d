"""Every rule of metre in two sentences: what it asks for, and what to do where it is broken or made use of.

In: a `Rule`, a language. Out: the sentences. The rules are those of docs/primer.md.
"""

from __future__ import annotations

from gemma_poetry.prosody.rules import Rule
from gemma_poetry.studio.texts import Language

_TEXTS: dict[Rule, tuple[str, str]] = {
    Rule.TONE: (
        "谱中此处平仄有定。换一个声调相合的字即可。",
        "The pattern fixes the tone of this place. A character of the other tone class mends it.",
    ),
    Rule.BEAT: (
        "句中第二、四、六字是节奏点，平仄须依谱，「一三五不论」之宽不及于此。换此字，或改用另一句式。",
        "Characters 2, 4 and 6 carry the beat of a line, and their tones follow the pattern without exception. "
        "Change this character, or build the line on another pattern.",
    ),
    Rule.MIXED_RHYME: (
        "此字与全首韵脚不在同一部，而宋人填词常把这两部通押（如第三部与第五部）。这是许可的；要严守词林正韵，就换一个同部的字。",
        "This word is of another part than the rhyme of the poem, and Song poets often took the two together in 词 (宋人通押). "
        "It is allowed; to keep strictly to 词林正韵, choose a word of the same part.",
    ),
    Rule.USUAL_RHYME: (
        "此调多数词作在此处押韵，也有不押的，谓之可韵可不韵。这是许可的，不必改。",
        "Most poems of this tune rhyme here, and not all do (可韵可不韵). It is allowed and may stay.",
    ),
    Rule.LINE_END: (
        "押韵句收平声，不押韵句收仄声（首句入韵者除外）。换句末一字。",
        "A rhyming line ends level and every other line oblique, but for a first line that rhymes. Change the last character.",
    ),
    Rule.LONE_LEVEL: (
        "平脚句除韵脚外只剩一个平声，谓之孤平，是近体大忌。把此字换成平声，或在其后第二字补一平声自救。",
        "In a line that ends level, one level tone alone is left beside the rhyme (孤平), which regulated verse forbids. "
        "Make this character level, or mend it with a level tone two places on.",
    ),
    Rule.LONE_LEVEL_MENDED: (
        "此处本犯孤平，而本句后面补了一个平声，谓之孤平自救。这是许可的，不必改。",
        "Here the line would have a lone level tone, but another level tone further on in it mends that (孤平自救). "
        "It is allowed and may stay.",
    ),
    Rule.THREE_LEVEL: (
        "句末三字皆平，谓之三平尾，是古体的腔调，近体不许。把倒数第三字换成仄声。",
        "The last three characters are all level (三平尾), the sound of ancient verse, which regulated verse forbids. "
        "Make the third from the end oblique.",
    ),
    Rule.THREE_OBLIQUE: (
        "句末三字皆仄，谓之三仄尾，诸家宽严不一。本斋从宽，只记为小拗。",
        "The last three characters are all oblique (三仄尾), on which authorities differ. "
        "It is noted here and not held against the poem.",
    ),
    Rule.SWAP: (
        "句尾作「平仄平仄」的特拗句，其前一字（五言首字、七言第三字）必须是平声。把那个字换成平声。",
        "A tail of 平仄平仄 is a licence that needs a level tone right before it (place 1 of five, 3 of seven). "
        "Make that character level.",
    ),
    Rule.SWAP_ALLOWED: (
        "本该「平平平仄仄」的句尾换作「平平仄平仄」，谓之特拗，唐人常用。这是许可的，不必改。",
        "The tail 平平平仄仄 is turned into 平平仄平仄 (特拗), as Tang poets often do. It is allowed and may stay.",
    ),
    Rule.MINOR_TWIST: (
        "倒数第三字该平而仄，谓之小拗，可救可不救。不必改。",
        "The third place from the end is oblique where the pattern has level (小拗), which may be mended or left. It may stay.",
    ),
    Rule.MAJOR_TWIST: (
        "出句倒数第二字该平而仄，谓之大拗，必须在对句倒数第三字用平声相救。改此字，或在对句补一平声。",
        "The last place but one of the upper line is oblique where it should be level (大拗), which the next line must mend "
        "with a level tone third from its end. Change this character, or mend it there.",
    ),
    Rule.MAJOR_TWIST_MENDED: (
        "出句大拗，而对句倒数第三字用了平声，谓之对句相救。这是许可的，不必改。",
        "The upper line has a major twist, and the next line mends it with a level tone third from its end (对句救). "
        "It is allowed and may stay.",
    ),
    Rule.FIFTH_OF_SIX: (
        "六言句第五字，十之九有定声，此处异之。可用；求稳则换。",
        "Nine in ten lines of six characters have the other tone in their fifth place. It may stay; to be safe, change it.",
    ),
    Rule.OBLIQUE_FIRST: (
        "仄韵诗首句多以平声收，此处以仄收而不入韵，唐人五绝常见。不必改。",
        "In verse on an oblique rhyme the first line ends oblique here without rhyming, as most 五绝 of "
        "the Tang do. It may stay.",
    ),
    Rule.CONTRAST: (
        "一联之内，对句第二字与出句第二字平仄须相反，否则谓之失对。须改句式，单换一字不够。",
        "Within a couplet the second characters of its two lines must be of opposite tones, else the couplet lacks contrast "
        "(失对). The line wants another pattern; one character is not enough.",
    ),
    Rule.ADHESION: (
        "后联出句第二字与前联对句第二字平仄须相同，否则谓之失粘。须改句式，单换一字不够。",
        "The second character of a couplet's first line must have the tone of that in the line before it, else the couplets do "
        "not hold together (失粘). Lines want another pattern; one character is not enough.",
    ),
    Rule.RHYME: (
        "韵脚须同在一韵（诗依平水韵，词依词林正韵）。此字属他韵，请换韵脚。",
        "Rhyme words must share a group of the rhyme book (平水韵 for 诗, 词林正韵 for 词). This one belongs to another group; "
        "choose another rhyme word.",
    ),
    Rule.NEIGHBOUR_RHYME: (
        "首句借用邻近之韵，宋人以来习用，谓之孤雁出群。这是许可的，不必改。",
        "The first line borrows a neighbouring rhyme, as poets have done since the Song. It is allowed and may stay.",
    ),
    Rule.JOINED_RHYME: (
        "古体可将相近之韵通押。这是许可的；若作近体，则须限于一韵。",
        "Ancient verse may take neighbouring rhymes together. It is allowed there; regulated verse keeps to one group.",
    ),
    Rule.REPEATED_RHYME: (
        "同一韵脚字不可再用，谓之重韵。换其中一个韵脚。",
        "A rhyme word may not come twice (重韵). Change one of the two.",
    ),
    Rule.CHARACTER: (
        "此处的字是体裁或所求指定的。换回那个字。",
        "The form, or what was asked for, names the character of this place. Put it back.",
    ),
    Rule.ECHO: (
        "此调此处须叠前句，有的须倒叠（路迷，迷路）。照前句重写。",
        "The tune repeats an earlier line here (叠句), some backwards (路迷，迷路). Write that line again.",
    ),
    Rule.REPEAT: (
        "此调此处须叠字（如钗头凤「错错错」）。照前一字重写。",
        "The tune says a character again here (叠字, as 错错错 in 钗头凤). Write the character before once more.",
    ),
    Rule.PADDING: (
        "此句字数多于曲谱，多出的作衬字看。曲中许用衬字，不必改。",
        "The line has more characters than the song; those count as padding (衬字), which 曲 allows. It may stay.",
    ),
    Rule.USUAL_TONE: (
        "此调此处古人多用另一声，而不尽然。从宽可用；求稳则换。",
        "Most poems of this tune have the other tone here, though not all. It may stay; to be safe, change it.",
    ),
    Rule.RARE_SHAPE: (
        "句式与通行之体不同，是少见的又一体。可用；求稳则依正体。",
        "The lines have lengths that few poems of the tune have (又一体). They may stay; to be safe, follow the usual shape.",
    ),
    Rule.DIVISION: (
        "断句与通行者不同，而韵脚在位，各家标点本有出入。不必改。",
        "The sentence is divided otherwise than usual with its rhymes in place, on which editors differ. It may stay.",
    ),
    Rule.SHAPE: (
        "句数或某句字数与此体不合。补足或删减，或另选体裁。",
        "The number of lines, or of characters in a line, is not that of the form. Add or take away, or choose another form.",
    ),
}


def explanation(rule: Rule, language: Language) -> str:
    """A rule in two sentences."""
    return _TEXTS[rule][language != "zh"]
