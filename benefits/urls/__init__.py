"""What members open about benefits, a module each subject."""

from benefits.urls import coupons, draws, items, orders, research, rights

app_name = "benefits"
urlpatterns = [
    *rights.urlpatterns,
    *items.urlpatterns,
    *orders.urlpatterns,
    *coupons.urlpatterns,
    *draws.urlpatterns,
    *research.urlpatterns,
]
