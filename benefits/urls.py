from django.urls import path

from benefits.views import BenefitsPage

app_name = "benefits"
urlpatterns = [path("benefits/", BenefitsPage.as_view(), name="benefits")]
