from django.urls import path, re_path

from benefits.views import items

urlpatterns = [
    path("shop/", items.ShopPage.as_view(), name="shop"),
    re_path(r"^shop/pictures/(?P<digest>[0-9a-f]{64})\.webp$", items.picture, name="item_picture"),
    re_path(
        r"^shop/pictures/(?P<digest>[0-9a-f]{64})-small\.webp$",
        items.picture,
        {"size": "small"},
        name="item_picture_small",
    ),
    path("shop/<slug:code>/", items.ItemPage.as_view(), name="item"),
]
