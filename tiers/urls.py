from django.urls import path

from tiers.views import DocumentPage, TierPage

app_name = "tiers"
urlpatterns = [
    path("tier/", TierPage.as_view(), name="tier"),
    path(
        "tier/applications/<int:proposal_id>/<int:place>/",
        DocumentPage.as_view(),
        name="document",
    ),
]
