from django.urls import path

from benefits.views.research import SurveyPage, SurveysPage

urlpatterns = [
    path("surveys/", SurveysPage.as_view(), name="surveys"),
    path("surveys/<int:pk>/", SurveyPage.as_view(), name="survey"),
]
