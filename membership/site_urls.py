"""What members and visitors open in a browser."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.i18n import set_language

from membership import views
from membership.own_tier_page import OwnTierPage

urlpatterns = [
    path("", views.HomePage.as_view(), name="home"),
    path("login/", views.LoginPage.as_view(), name="login"),
    path("login/code/", views.CodePage.as_view(), name="login_code"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("language/", set_language, name="set_language"),
    path("", include("points.urls")),
    path("", include("messaging.urls")),
    # What the next tier gives, rooms above tiers know: their page stands before the room's own.
    path("tier/", OwnTierPage.as_view()),
    path("", include("tiers.urls")),
]
