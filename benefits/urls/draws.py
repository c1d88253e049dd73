from django.urls import path

from benefits.views.draws import DrawPage, DrawsPage

urlpatterns = [
    path("draws/", DrawsPage.as_view(), name="draws"),
    path("draws/<slug:code>/", DrawPage.as_view(), name="draw"),
]
