from django.urls import path, re_path

from membership.counter import logins, orders, pages

app_name = "counter"
VISIT = "visits/<str:visit>/"
urlpatterns = [
    path("", pages.StartPage.as_view(), name="start"),
    path("login/", logins.LoginPage.as_view(), name="login"),
    path("second-factor/", logins.FactorPage.as_view(), name="second_factor"),
    path(VISIT, pages.VisitPage.as_view(), name="visit"),
    path(f"{VISIT}deliver/", pages.Deliver.as_view(), name="deliver"),
    path(f"{VISIT}prove/<slug:benefit>/", pages.Prove.as_view(), name="prove"),
    path(
        f"{VISIT}orders/<int:pk>/hand-over/",
        orders.HandOverOrder.as_view(),
        name="hand_over_order",
    ),
    path(f"{VISIT}bill/", pages.HoldForBill.as_view(), name="hold"),
    path(f"{VISIT}rights/<int:pk>/", pages.RightPage.as_view(), name="right"),
    path(f"{VISIT}coupon/", pages.UseCoupon.as_view(), name="use_coupon"),
    path(f"{VISIT}coupons/<int:pk>/", pages.CouponPage.as_view(), name="coupon"),
    re_path(
        r"^visits/(?P<visit>[^/]+)/bills/(?P<once>[0-9a-f]{24})/\Z",
        pages.BillPage.as_view(),
        name="bill",
    ),
]
