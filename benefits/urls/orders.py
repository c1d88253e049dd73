from django.urls import path

from benefits.views import orders

urlpatterns = [
    path("shop/<slug:code>/order/", orders.OrderItemPage.as_view(), name="order_item"),
    path("orders/", orders.OrdersPage.as_view(), name="orders"),
    path("orders/<int:pk>/", orders.OrderPage.as_view(), name="order"),
    path("orders/<int:pk>/cancel/", orders.CancelPage.as_view(), name="order_cancel"),
    path("orders/<int:pk>/return/", orders.ReturnPage.as_view(), name="order_return"),
]
