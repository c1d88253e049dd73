from django.urls import path

from benefits.views.rights import BenefitsPage

urlpatterns = [path("benefits/", BenefitsPage.as_view(), name="benefits")]
