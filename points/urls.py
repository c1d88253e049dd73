from django.urls import path

from points.views import StatementPage

app_name = "points"
urlpatterns = [path("statement/", StatementPage.as_view(), name="statement")]
