"""What members and visitors open in a browser."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.i18n import set_language

from membership import joining, views
from membership.own_tier_page import OwnTierPage

urlpatterns = [
    path("", views.HomePage.as_view(), name="home"),
    path("login/", views.LoginPage.as_view(), name="login"),
    path("login/code/", views.CodePage.as_view(), name="login_code"),
    path("join/", joining.JoinPage.as_view(), name="join"),
    path("join/code/", joining.JoinCodePage.as_view(), name="join_code"),
    path("join/details/", joining.JoinDetailsPage.as_view(), name="join_details"),
    path("activate/", joining.ActivatePage.as_view(), name="activate"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("language/", set_language, name="set_language"),
    path("", include("points.urls")),
    path("", include("messaging.urls")),
    # What the next tier gives, rooms above tiers know: their page stands before the room's own.
    path("tier/", OwnTierPage.as_view()),
    path("", include("tiers.urls")),
]
