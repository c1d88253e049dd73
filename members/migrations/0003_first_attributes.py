from django.db import migrations

INTERESTS = [
    ("travel", "自驾旅行", "自駕旅行", "Road trips"),
    ("sports", "运动健身", "運動健身", "Sports"),
    ("food", "美食", "美食", "Food"),
    ("family", "亲子", "親子", "Family"),
    ("music", "音乐", "音樂", "Music"),
    ("photography", "摄影", "攝影", "Photography"),
    ("reading", "阅读", "閱讀", "Reading"),
    ("technology", "科技数码", "科技數碼", "Technology"),
]
INCOME = [
    ("below-100k", "年收入10万元以下", "年收入10萬元以下", "Below 100,000 yuan a year"),
    ("100k-200k", "年收入10–20万元", "年收入10–20萬元", "100,000–200,000 yuan a year"),
    ("200k-500k", "年收入20–50万元", "年收入20–50萬元", "200,000–500,000 yuan a year"),
    ("above-500k", "年收入50万元以上", "年收入50萬元以上", "Above 500,000 yuan a year"),
]


def names(hans, hant, en):
    return {"zh-hans": hans, "zh-hant": hant, "en": en}


def make(apps, _schema_editor):
    """What every programme asks; staff change the choices, or switch them off."""
    attributes = apps.get_model("members", "Attribute").objects
    options = apps.get_model("members", "AttributeOption").objects
    for position, (code, kind, called, is_personal, choices) in enumerate(
        (
            ("interests", "CHOICES", ("兴趣爱好", "興趣愛好", "Interests"), False, INTERESTS),
            ("income", "CHOICE", ("收入区间", "收入區間", "Income band"), True, INCOME),
        ),
        start=1,
    ):
        attribute = attributes.create(
            code=code,
            names=names(*called),
            kind=kind,
            position=position,
            is_personal=is_personal,
            by_member=True,
        )
        for place, (choice, *told) in enumerate(choices, start=1):
            options.create(attribute=attribute, code=choice, names=names(*told), position=place)


class Migration(migrations.Migration):
    dependencies = [("members", "0002_member_numbers")]
    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
