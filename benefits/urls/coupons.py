from django.urls import URLPattern, path

from benefits.views.coupons import CouponPage, CouponsPage

urlpatterns: list[URLPattern] = [
    path("coupons/", CouponsPage.as_view(), name="coupons"),
    path("coupons/<int:coupon_id>/", CouponPage.as_view(), name="coupon"),
]
