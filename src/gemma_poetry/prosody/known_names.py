"""Names that tunes are commonly known by and that the collection does not have.

In: nothing. Out: for each name that of the tune which the collection has; hand-made from common knowledge, the names alone.
"""

from __future__ import annotations

KNOWN_NAMES: dict[str, str] = {
    "十六字令": "归字谣", "谢秋娘": "忆江南", "春去也": "忆江南", "转应曲": "调笑令", "宫中调笑": "调笑令", "白蘋香": "西江月",
    "双红豆": "长相思", "忆多娇": "长相思", "点樱桃": "点绛唇", "深院月": "捣练子", "锁阳台": "满庭芳", "红情": "暗香",
    "减兰": "减字木兰花", "醉花春": "谒金门", "一痕沙": "昭君怨", "宴西园": "昭君怨", "百尺楼": "卜算子", "眉峰碧": "卜算子",
    "翠圆枝": "好事近", "无俗念": "念奴娇",
}  # fmt: skip
"""词牌."""

SONG_NAMES: dict[str, str] = {
    "凭栏人": "凭阑人", "西番经": "金字经", "阅金经": "金字经", "蟾宫曲": "折桂令", "寿阳曲": "落梅风", "阳春曲": "喜春来",
    "湘妃怨": "水仙子", "朱履曲": "红绣鞋", "鹦鹉曲": "黑漆弩", "柳营曲": "寨儿令",
}  # fmt: skip
"""曲牌 that go by two names; their songs are read together."""
