from django.urls import path

from tiers.api.views import Tier

urlpatterns = [path("members/<str:number>/tier/", Tier.as_view())]
