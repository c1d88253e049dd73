from django.urls import path

from benefits.api import coupons, draws, items, ordering, orders, research
from benefits.api.views import BenefitList, DeliveryList, Undo

urlpatterns = [
    path("members/<str:number>/benefits/", BenefitList.as_view()),
    path("deliveries/", DeliveryList.as_view()),
    path("deliveries/<int:right_id>/undo/", Undo.as_view()),
    *items.urlpatterns,
    *ordering.urlpatterns,
    *orders.urlpatterns,
    *coupons.urlpatterns,
    *draws.urlpatterns,
    *research.urlpatterns,
]
