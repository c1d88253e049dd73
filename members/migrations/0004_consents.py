from django.db import migrations
from django.utils import timezone

TEXTS = {
    "SERVICE": (
        (
            "我同意会员计划为提供会员服务（积分、等级、权益、消费记录与客服）处理我提供的个人信息。"
            "没有这些信息无法提供会员服务；退会后按规定删除。"
        ),
        (
            "我同意會員計劃為提供會員服務（積分、等級、權益、消費記錄與客服）處理我提供的個人信息。"
            "沒有這些信息無法提供會員服務；退會後按規定刪除。"
        ),
        (
            "I agree that the programme uses the personal data I gave to provide the membership: "
            "points, tiers, benefits, records of purchases and customer care. There is no membership "
            "without them; after it ends they are erased as the law asks."
        ),
    ),
    "MARKETING": (
        "我同意通过站内消息、邮件、短信和微信接收优惠、活动与新品信息。我可以随时撤回，不影响积分和会员服务。",
        "我同意通過站內消息、郵件、短信和微信接收優惠、活動與新品信息。我可以隨時撤回，不影響積分和會員服務。",
        (
            "I agree to receive offers, invitations and news by message here, e-mail, text message and "
            "WeChat. I can take this back at any time; points and membership stay as they are."
        ),
    ),
    "PROFILING": (
        "我同意根据我的消费和互动分析我的偏好，为我推荐更合适的权益与活动。我可以随时撤回，之后只按公开规则对待我。",
        "我同意根據我的消費和互動分析我的偏好，為我推薦更合適的權益與活動。我可以隨時撤回，之後只按公開規則對待我。",
        (
            "I agree that my purchases and activities are evaluated to find offers and benefits that "
            "fit me. I can take this back at any time; then only the rules for all apply to me."
        ),
    ),
    "SHARING": (
        "我同意将为享受其权益所需的会员信息（会员号、姓名、手机号、等级）提供给所列的合作伙伴。我可以随时撤回，之后不再提供。",
        "我同意將為享受其權益所需的會員信息（會員號、姓名、手機號、等級）提供給所列的合作夥伴。我可以隨時撤回，之後不再提供。",
        (
            "I agree that the partner named here receives what its benefits need: member number, name, "
            "phone and tier. I can take this back at any time; then nothing more is passed on."
        ),
    ),
}


def publish(apps, _schema_editor):
    """A first version of each, which staff replace by their own."""
    texts = apps.get_model("members", "ConsentText").objects
    for purpose, told in TEXTS.items():
        texts.create(
            purpose=purpose,
            version=1,
            texts=dict(zip(("zh-hans", "zh-hant", "en"), told, strict=True)),
            published_at=timezone.now(),
        )


class Migration(migrations.Migration):
    """What was agreed to stays: neither a text nor a word about it changes."""

    dependencies = [("members", "0003_first_attributes"), ("common", "0002_append_only")]
    operations = [
        migrations.RunSQL(
            """
            SELECT common_make_append_only('members_consenttext'),
                common_make_append_only('members_consent');
            -- A word is about a text of its own purpose.
            ALTER TABLE members_consenttext
                ADD CONSTRAINT members_consenttext_of_purpose UNIQUE (id, purpose);
            ALTER TABLE members_consent
                ADD CONSTRAINT members_consent_text_of_its_purpose
                FOREIGN KEY (text_id, purpose) REFERENCES members_consenttext (id, purpose);
            """,
            migrations.RunSQL.noop,
        ),
        migrations.RunPython(publish, migrations.RunPython.noop),
    ]
