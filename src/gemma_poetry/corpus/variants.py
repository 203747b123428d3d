"""Glyph variants (异体字) folded onto one form, so that 窻 牕 窗 count as one character when poems are compared.

In: text in any script. Out: the same number of characters, simplified and folded; fit for comparing, not for reading.
OpenCC's character tables do most of it; the pairs below are variants of the same word that those tables keep apart.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from importlib import resources

from gemma_poetry.prosody.conversion import converter

# Each group: the form that stays, then the forms folded onto it.
_GROUPS = (
    "窗窻牕窓牎 剑劒劔剱 雁鴈 郁鬰欝 遍徧 翻飜 泪涙 妒妬 妍姸 鹅鵞 懒嬾 着著 沉沈 仿彷 借藉 覆复 么麽麼幺 巨鉅 "
    "捍扞 升昇陞 链鍊炼 钟鍾锺 于於 草艸 溪谿磎 峰峯 群羣 阁閤 岩巖嵒喦巗 庵菴 庙庿 坟墳 岳嶽 崖厓 崑昆 坂阪 "
    "丘邱 野埜壄 坤堃 涧磵 杯盃桮 碗椀盌 床牀 柏栢 松枩 梅楳槑 菊蘜 花華华 棋碁棊 棹櫂 槛檻 柳桺栁 笋筍 鸡雞鷄 "
    "鸦鵶 鹤鶴 燕鷰 雕鵰 鸥鷗 凫鳧 蝉蟬 蚊蟁 蜂蠭 鱼魚 猿猨蝯 狸貍 兔兎莵 昏昬 暖煖煗 晚晩 旷曠 晒曬 皓皜 皋皐 "
    "皑皚 吟唫 咏詠 啼嗁 叹嘆歎 笑咲 欢歡懽讙驩 呼嘑 和龢咊 喧諠 唇脣 喑瘖 咽嚥 怜憐 忧憂 恒恆 惭慙 憔顦 悴顇 "
    "怅悵 眺覜 睹覩 视視眎眡 游遊 绕遶 回迴廻囘囬 迹跡蹟 逃迯 遁遯 逼偪 迟遲 并並併幷竝 村邨 邻鄰隣 袖褏 裙裠帬 "
    "襟衿 袜韈韤襪 袅裊嬝嫋 帆颿 帘簾 烟煙 焰燄熖 炉爐鑪罏 灯燈 照炤曌 熏燻薰 灾災烖 凉涼 净淨 冰氷 凄淒悽 况況 "
    "决決 减減 凑湊 冲沖衝 准準 吊弔 尽盡 墙牆墻 垒壘 坛壇 埙塤壎 堤隄 体體 躯軀 耻恥 聪聰 耕畊 船舩 舵柂柁 "
    "舻艫 楫檝 酬醻詶 醉酔 宴讌醼 采採寀 彩綵 据據 携攜擕 捶搥 插挿 拿拏 捣擣搗 撑撐 掩揜 挂掛 抛拋 拗抝 扬敭 "
    "弦絃 线綫線 丝絲 纤纖 绿緑 绣繡 缰韁 总總緫 瓶缾 罂甖 钵缽鉢 镰鎌 锄鉏耡 钱錢 针鍼針 铛鐺 诗詩 谤謗 谊誼 "
    "咨諮 谣謡謠 谪讁謫 讹譌 个箇個 奈柰 奇竒 宜冝 宁寧甯寗寜 寝寢 实寔實 宾賔 最冣 俯俛頫 修脩 侣侶 偷媮 傲慠 "
    "僊仙 佑祐 胸胷 脉脈衇 膝厀 腮顋 丽麗 厨廚 厕廁 卷捲 却卻 厌厭 瑶瑤 琼瓊 玩翫 璇璿 瑰瓌 球毬 疏疎踈 痴癡 "
    "粮糧 粗麤麄觕 糊餬 粽糉 赞讚 赋賦 赖頼 贺賀 踪蹤 踏蹋 蹄蹏 跖蹠 鬓鬂 髯髥 鬃騣鬉 韵韻 响響 韭韮 驱驅駈 "
    "骑騎 骏駿 骡驘 鼓皷 鼠鼡 葱蔥 莼蓴 荐薦 萱蘐萲 藕蕅 苏蘓甦 萼蕚 萍蓱 蕊蘂蕋橤 荫廕 蒂蔕 菰苽 荔茘 霭靄 "
    "雾霧 霉黴 雷靁 饥飢饑 饮飮歓 饷饟 馔籑 糇餱 饤飣 年秊 时旹 怪恠 戚慼慽 慨嘅 愧媿 杰傑 樱櫻 栖棲 桩樁 梁樑 "
    "檐簷 橹櫓艣 榜牓 概槩槪 敕勅勑 效効 叙敍敘 败敗 凡凢 刊刋 创剏刱 剥剝 匆怱悤 匹疋 卧臥 吝恡 吞呑 噪譟 嗔瞋 "
    "姊姉 娘孃 婵嬋 嫩嫰 婿壻 岛島嶋 嵯嵳 峨峩 岭嶺 崎﨑 嵩崧 强彊強 弥彌 彝彞 往徃 径逕 淡澹 潜濳 涌湧 洒灑 "
    "泛汎氾 浚濬 溯泝遡 渺淼缈緲 湾灣 潇瀟 犹猶 狖貁 畅暢 留畱 略畧 亩畝畆畮 碍礙 矿礦 砧碪 砖甎塼 硗磽 秘祕 "
    "禀稟 秋秌穐 秕粃 稚穉稺 称稱 穗穟 窥闚 穷窮 筝箏 箸筯 箫簫 笼籠 筑築 筇笻 籁籟 筱篠 翘翹 翅翄 翱翺 耽躭 "
    "职職 肯肎 虱蝨 蛇虵 蚕蠶蝅 蝇蠅 蚁蟻螘 隙隟 陷䧟 阴隂陰 阳陽 险嶮 隐隠 乘乗椉 乱亂 似佀 冢塚 冤寃 刹剎 "
    "喷噴歕 嘻譆 嚣囂 馀余餘 驻駐 髓髄 鲈鱸 鲜鮮鱻 鳞鱗 鹃鵑 麟麐 黄黃 黎黧 内內 户戶戸 别別 册冊 没沒 温溫 "
    "教敎 兑兌 说說説 锐銳 脱脫 悦悅 税稅 吴吳呉 产産 彦彥 颜顏顔 羡羨 即卽 既旣 乡鄉鄕 清淸 青靑 请請 静靜 "
    "真眞 镇鎭 填塡 颠顚顛 慎愼 值値 众衆眾 卫衞衛 查査 步歩 岁歲歳 毁毀燬 每毎 污汙汚 浑渾 灵靈霊 为爲為 争爭 "
    "伪僞偽 妆粧妝 状狀 闲閑閒 间間 关關関 阔濶闊 阅閲閱 郎郞 录録錄 禄祿 唯惟维維 栏阑欄闌 尊樽罇 佩珮 莺鶑鸎鶯 "
    "消销 扫埽掃 剪翦 阶堦階 只祇祗秪 敛歛斂 映暎 锁鏁鎖 陇垅隴 洁絜潔 茅茆 歧岐 高髙 坐座 辉晖輝暉 暂𫏐暫蹔 迥逈 "
    "羁羇羈 递遰遞 耀曜 倘傥儻 圆圜 软輭軟 误悮 脍鲙 享飨饗 梨棃 边邉邊 漱潄 斗鬭鬬鬥 丛藂叢 绵緜綿 欹攲敧 衔啣銜 "
    "粘黏 驴馿驢 雠讐讎 炯烱 劫刼刧 旆斾 娟姢 笺牋箋 颦嚬 凤鳯鳳 场塲場 幂羃 款欵 毡氊氈 嘴觜 倏倐 乃廼迺 殷慇 "
    "幕幙 沙砂 辄輙 他它佗 词辞 淳湻 惩懲 蓑簑 "
)


def folded_groups() -> list[str]:
    """The groups of glyphs that are folded onto their first, beside those that OpenCC knows."""
    return _GROUPS.split()


@functools.cache
def other_glyphs() -> dict[str, str]:
    """The plain glyph, in simplified characters, of each that simplified text does not write (遠 in the shape 逺).

    `fold` does not know them: what is compared by it, and the lists of known lines that models carry, would change.
    """
    text = (resources.files("gemma_poetry") / "assets" / "prosody" / "other_glyphs.txt").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return {glyph: plain for plain, glyphs in rows for glyph in glyphs}


@functools.cache
def _curated() -> dict[str, str]:
    return {form: group[0] for group in folded_groups() for form in group[1:] if form != group[0]}


_FOLDED: dict[int, str] = {}


def fold(text: str) -> str:
    """The text with every character in its folded form; as long as before.

    Each character is folded once and remembered, so that a line at a time costs no more than all lines at once.
    """
    missing = [char for char in set(text) if ord(char) not in _FOLDED]
    if missing:
        _FOLDED.update(_folding(missing))
    return text.translate(_FOLDED)


def fold_all(texts: Sequence[str]) -> list[str]:
    """Many texts without line breaks, their unknown characters folded in one go."""
    return fold("\n".join(texts)).split("\n") if texts else []


def _folding(characters: Iterable[str]) -> dict[int, str]:
    """The folded form of each character."""
    curated = _curated()
    steps = [converter(name) for name in ("tw2t", "hk2t", "jp2t", "t2s")]
    table = {}
    for character in characters:
        folded = curated.get(character, character)
        for step in steps:
            changed = step(folded)
            folded = changed if len(changed) == 1 else folded
        table[ord(character)] = curated.get(folded, folded)
    return table
