from django.urls import path

from tiers.views import TierPage

app_name = "tiers"
urlpatterns = [path("tier/", TierPage.as_view(), name="tier")]
