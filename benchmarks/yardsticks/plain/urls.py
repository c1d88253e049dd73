from django.urls import path

from benchmarks.yardsticks.plain.api import Purchases

urlpatterns = [path("api/v1/purchases/", Purchases.as_view())]
