"""What members and visitors open in a browser."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path

from membership import (
    brand_pages,
    groups_page,
    invited,
    joining,
    offline_pages,
    profile_page,
    reading,
    security_pages,
    views,
)
from membership.card_page import CardPage
from membership.help_page import HelpPage
from membership.home_page import HomePage
from membership.own_tier_page import OwnTierPage
from membership.privacy_page import PrivacyPage
from membership.privacy_requests import (
    DownloadExport,
    ErasurePage,
    RequestExport,
    WithdrawErasure,
)
from membership.proof import ProofPage

urlpatterns = [
    path("", HomePage.as_view(), name="home"),
    path("card/", CardPage.as_view(), name="card"),
    path("worker.js", offline_pages.worker, name="worker"),
    path("offline/", offline_pages.offline, name="offline"),
    path("app.webmanifest", offline_pages.manifest, name="manifest"),
    path("brand/<str:digest>.png", brand_pages.logo, name="logo"),
    path("brand/icon/<int:side>/<str:version>.png", brand_pages.icon, name="icon"),
    path("help/", HelpPage.as_view(), name="help"),
    path("profile/", profile_page.ProfilePage.as_view(), name="profile"),
    path("profile/edit/", profile_page.EditPage.as_view(), name="profile_edit"),
    path("profile/products/", profile_page.ProductsPage.as_view(), name="profile_products"),
    path("profile/phone/", profile_page.PhonePage.as_view(), name="profile_phone"),
    path("profile/phone/code/", profile_page.PhoneCodePage.as_view(), name="profile_phone_code"),
    path("groups/", groups_page.GroupsPage.as_view(), name="groups"),
    path("groups/<int:pk>/", groups_page.GroupPage.as_view(), name="group"),
    path("groups/<int:pk>/share/", groups_page.SharePoints.as_view(), name="group_share"),
    path(
        "groups/<int:pk>/invitations/<int:invitation>/",
        groups_page.WithdrawInvitation.as_view(),
        name="group_withdraw",
    ),
    path("groups/<int:pk>/<slug:deed>/", groups_page.DeedPage.as_view(), name="group_deed"),
    path(
        "groups/invitations/<int:pk>/",
        groups_page.AnswerInvitation.as_view(),
        name="group_invitation",
    ),
    path("login/", views.LoginPage.as_view(), name="login"),
    path("login/code/", views.CodePage.as_view(), name="login_code"),
    path("join/", joining.JoinPage.as_view(), name="join"),
    path("join/code/", joining.JoinCodePage.as_view(), name="join_code"),
    path("join/details/", joining.JoinDetailsPage.as_view(), name="join_details"),
    path("join/application/", joining.ApplicationPage.as_view(), name="join_application"),
    path("activate/", joining.ActivatePage.as_view(), name="activate"),
    path("login/email/", security_pages.EmailLoginPage.as_view(), name="login_email"),
    path("password/", security_pages.ForgottenPage.as_view(), name="forgotten"),
    path("password/<uidb64>/<token>/", security_pages.ResetPage.as_view(), name="reset_password"),
    path("security/", security_pages.SecurityPage.as_view(), name="security"),
    path("security/password/", security_pages.PasswordPage.as_view(), name="password"),
    path("security/email/<str:token>/", security_pages.ConfirmPage.as_view(), name="confirm_email"),
    path("invited/", invited.InvitedPage.as_view(), name="invited_start"),
    path("invited/code/", invited.InvitedCodePage.as_view(), name="invited_code"),
    path("invited/<str:token>/", invited.InvitationLink.as_view(), name="invited"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("language/", reading.choose, name="set_language"),
    path("privacy/", PrivacyPage.as_view(), name="privacy"),
    path("privacy/proof/", ProofPage.as_view(), name="proof"),
    path("privacy/export/", RequestExport.as_view(), name="privacy_export_ask"),
    path("privacy/export/<int:pk>/", DownloadExport.as_view(), name="privacy_export"),
    path("privacy/erasure/", ErasurePage.as_view(), name="privacy_erasure"),
    path("privacy/erasure/withdraw/", WithdrawErasure.as_view(), name="privacy_erasure_withdraw"),
    path("counter/", include("membership.counter.urls")),
    path("", include("points.urls")),
    path("", include("messaging.urls")),
    # What the next tier gives, rooms above tiers know: their page stands before the room's own.
    path("tier/", OwnTierPage.as_view()),
    path("", include("tiers.urls")),
    path("", include("benefits.urls")),
]
