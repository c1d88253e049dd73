from django.conf import settings
from django.db import migrations

# What each role of staff may do; everything it does not name, it may not. Permissions are written
# <room>.<action>_<model>. Which members somebody of a dealer sees, `members.reach` says.
LEDGER = [
    "points.view_account", "points.view_lot", "points.view_entry", "points.view_activity",
    "points.view_grantbatch",
]  # fmt: skip
TIERS = [
    "tiers.view_standing", "tiers.view_decision", "tiers.view_proposal", "benefits.view_right",
]  # fmt: skip
RULES = [
    "programme.view_version", "programme.view_draft", "campaigns.view_earningrule",
    "campaigns.view_campaign",
]  # fmt: skip
# The rulebook is drafted by one and let be published by another.
DRAFT = ["programme.change_draft", "campaigns.add_evaluation"]
NETWORK = ["partners.view_region", "partners.view_organization", "partners.view_store"]
SYSTEM = [
    "common.view_auditrecord",
    "common.view_jobrun",
    "common.view_outboxevent",
    "campaigns.view_importrun",
    "campaigns.view_memberimport",
]
STAFF = ["common.view_user", "auth.view_group"]
SAID = ["messaging.view_message", "messaging.view_delivery"]
WORDS = ["messaging.view_wording", "messaging.add_wording", "messaging.change_wording"]
ASK = [
    f"members.{verb}_{what}"
    for verb in ("view", "add", "change")
    for what in ("attribute", "attributeoption", "tag")
]
# What members agree to is for who answers for the whole programme to word.
CONSENTS = ["members.view_consenttext", "members.add_consenttext"]
SEGMENTS = [f"campaigns.{verb}_segment" for verb in ("view", "add", "change", "export")]
# To follow one's own requests as well as to decide others': what it takes to decide, each kind of
# request says for itself.
APPROVALS = ["common.view_approval"]
APPLICATIONS = ["members.view_application", "members.decide_application"]
GROUPS = ["members.view_group"]
DUPLICATES = ["members.view_duplicate", "members.change_duplicate"]
CARE = [
    "members.view_member",
    "members.change_member",
    "members.reveal_personal_data",
    "members.export_personal_data",
    "members.activate_member",
    "members.freeze_member",
    "members.unstop_member",
    "members.close_member",
    "members.export_member",
    "members.erase_member",
    "points.adjust_points",
    "points.transfer_points",
    "points.merge_accounts",
    *DUPLICATES,
    *GROUPS,
    *APPLICATIONS,
    "messaging.retry_delivery",
    "tiers.set_tier",
    "benefits.deliver_right",
    "benefits.compensate_right",
    # Files of historical members are full of personal data.
    "campaigns.view_memberimport",
    "campaigns.import_members",
]
# Of the members of their own dealer, which the first of these sees to.
OF_DEALERS = [
    "members.limited_to_dealer",
    "members.view_member",
    "members.view_application",
    "points.view_account",
    "points.view_lot",
    "points.view_entry",
    "tiers.view_standing",
]
# What customer care asks for, others let happen.
APPROVE = ["points.approve_points"]
APPROVE_TIERS = ["tiers.approve_tier"]
PUBLISH = ["programme.approve_version"]
LOGO = ["programme.add_logo"]
CATALOGUE = ["benefits.view_item", "benefits.view_category"]
# Listings are written by some and let go live by others; a price too.
LISTINGS = [
    "benefits.edit_item", "benefits.delist_item", "benefits.stock_item",
    "benefits.add_category", "benefits.change_category",
]  # fmt: skip
LIST = ["benefits.approve_item"]
# Addresses leave the house with few.
ORDERS = ["benefits.view_order", "benefits.work_order"]
REFUND = ["benefits.refund_order"]
COUPONS = ["benefits.view_couponbatch", "benefits.view_coupon", "benefits.view_couponconflict"]
# Batches are drafted by some and approved by others; codes leave the house with neither.
DRAFT_COUPONS = ["benefits.draft_couponbatch"]
APPROVE_COUPONS = [
    "benefits.approve_couponbatch", "benefits.export_couponbatch", "benefits.revoke_coupon",
]  # fmt: skip
DRAWS = ["benefits.view_draw"]
DRAFT_DRAWS = ["benefits.edit_draw"]
APPROVE_DRAWS = ["benefits.approve_draw"]
HAND_OVER = ["benefits.deliver_draw"]
RESEARCH = ["benefits.view_candidate"]
# Who asks members; who judges candidates; who says what is adopted.
ASK_MEMBERS = [*RESEARCH, "benefits.change_candidate"]
ASSESS = [*RESEARCH, "benefits.assess_candidate"]
ADOPT = ["benefits.decide_candidate"]
ROLES = {
    "administrator": [
        *CARE, *LEDGER, *TIERS, *SAID, *RULES, *NETWORK, *SYSTEM, *STAFF, *APPROVALS,
        *APPROVE, *APPROVE_TIERS, *DRAFT, *PUBLISH, *LOGO, *CATALOGUE, *LISTINGS, *LIST,
        *ORDERS, *REFUND, "benefits.export_order",
        *COUPONS, *DRAWS, *DRAFT_COUPONS, *APPROVE_COUPONS, *DRAFT_DRAWS, *APPROVE_DRAWS,
        *HAND_OVER,
        *ASK_MEMBERS, *ASSESS, *ADOPT,
        "partners.add_region", "partners.change_region",
        "partners.add_organization", "partners.change_organization",
        "partners.add_store", "partners.change_store",
        "partners.view_placement", "partners.add_placement", "partners.change_placement",
        "partners.view_apiclient", "partners.add_apiclient", "partners.change_apiclient",
        *WORDS, *ASK, *CONSENTS, *SEGMENTS, "common.rerun_jobrun", "common.retry_outboxevent",
        "common.add_user", "common.change_user", "common.reset_secondfactor",
    ],
    "programme manager": [
        "members.view_member", *GROUPS, "members.view_application", *LEDGER, *TIERS,
        "messaging.view_message", *RULES, *NETWORK,
        *APPROVALS, *APPROVE, *APPROVE_TIERS, *DRAFT, *PUBLISH, *LOGO, *WORDS, *CONSENTS,
        "campaigns.view_importrun", "campaigns.view_segment", *CATALOGUE, *LISTINGS, *LIST,
        *ORDERS, *REFUND, "benefits.export_order",
        *COUPONS, *DRAWS, *DRAFT_COUPONS, *APPROVE_COUPONS, *DRAFT_DRAWS, *APPROVE_DRAWS,
        *HAND_OVER,
        *ASK_MEMBERS, *ASSESS, *ADOPT,
    ],
    "campaign manager": [
        *RULES, *DRAFT, *NETWORK, *APPROVALS, *WORDS, *SEGMENTS, *CATALOGUE, *LISTINGS,
        *COUPONS, *DRAWS, *DRAFT_COUPONS, *DRAFT_DRAWS, *ASK_MEMBERS, *ASSESS,
    ],
    "finance": [
        *LEDGER, *RULES, *NETWORK, *APPROVALS, *APPROVE, "campaigns.view_importrun", *CATALOGUE,
        *COUPONS, *DRAWS, *ASSESS,
    ],
    "customer care": [
        *CARE, *LEDGER, *TIERS, *SAID, *RULES, *NETWORK, *APPROVALS, *CATALOGUE, *COUPONS, *DRAWS,
        *HAND_OVER, "benefits.view_order", *REFUND,
    ],
    "dealer manager": [
        *OF_DEALERS, "members.decide_application", "members.activate_member",
        # At the dealer's own stores.
        "benefits.view_right", "benefits.deliver_right", *ORDERS,
    ],
    # At the counter of their own store (`membership.counter`).
    "store clerk": [*OF_DEALERS, "partners.serve_placement"],
    "auditor": [
        "members.view_member", *GROUPS, "members.view_application", *LEDGER, *TIERS, *SAID, *RULES,
        *NETWORK, *SYSTEM, *STAFF,
        *APPROVALS, "partners.view_apiclient", "messaging.view_wording",
        "members.view_consenttext", "campaigns.view_segment", "members.view_duplicate",
        *CATALOGUE, *COUPONS, *DRAWS, *RESEARCH,
    ],
}  # fmt: skip


def add(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    for role, names in ROLES.items():
        group, _ = Group.objects.get_or_create(name=role)
        group.permissions.add(*(_permission(apps, name) for name in names))


def _permission(apps, name):
    # Django makes permissions only after all migrations; it then finds these, by codename.
    label, codename = name.split(".")
    model_name = codename.split("_")[-1]
    special = {
        "adjust_points": "account",
        "approve_points": "account",
        "merge_accounts": "account",
        "transfer_points": "account",
        "reveal_personal_data": "member",
        "limited_to_dealer": "member",
        "export_personal_data": "member",
        "set_tier": "standing",
        "approve_tier": "standing",
        "import_members": "memberimport",
    }
    model = apps.get_model(label, special.get(codename, model_name))
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label=label, model=model._meta.model_name
    )
    told = dict(model._meta.permissions).get(codename)
    action = codename.split("_")[0]
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type,
        codename=codename,
        defaults={"name": told or f"Can {action} {model._meta.verbose_name}"},
    )
    return permission


class Migration(migrations.Migration):
    """Give every installation the roles its staff have."""

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("common", "0001_initial"),
        ("partners", "0004_counters"),
        ("members", "0007_applications"),
        ("messaging", "0001_initial"),
        ("points", "0001_initial"),
        ("programme", "0001_initial"),
        ("tiers", "0001_initial"),
        ("benefits", "0050_draws"),
        ("campaigns", "0005_segments"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
