from django.conf import settings
from django.urls import URLPattern, path

from benefits.views import orders, payments

urlpatterns: list[URLPattern] = [
    path("shop/<slug:code>/order/", orders.OrderItemPage.as_view(), name="order_item"),
    path("orders/", orders.OrdersPage.as_view(), name="orders"),
    path("orders/<int:pk>/", orders.OrderPage.as_view(), name="order"),
    path("orders/<int:pk>/cancel/", orders.CancelPage.as_view(), name="order_cancel"),
    path("orders/<int:pk>/pay/", payments.PayPage.as_view(), name="order_pay"),
    path("orders/<int:pk>/pay/wechat/", payments.PayInWeChat.as_view(), name="order_pay_wechat"),
    path(
        "orders/<int:pk>/pay/wechat/back/",
        payments.PayInWeChatBack.as_view(),
        name="order_pay_back",
    ),
    path("orders/<int:pk>/return/", orders.ReturnPage.as_view(), name="order_return"),
    path(
        "callbacks/payments/<slug:provider>/",
        payments.PaymentNotice.as_view(),
        name="payment_notice",
    ),
]
if settings.SANDBOX:
    urlpatterns.append(
        path(
            "sandbox/payments/<slug:number>/",
            payments.SandboxPaymentPage.as_view(),
            name="sandbox_payment",
        )
    )
