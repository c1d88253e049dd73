from django.urls import path

from members.api.consents import ConsentTexts, MemberConsents
from members.api.groups import CompanyMembers, MemberGroups
from members.api.views import ApplicationDetail, MemberDetail, MemberList, MemberLookup

urlpatterns = [
    path("members/", MemberList.as_view()),
    path("members/lookup/", MemberLookup.as_view()),
    path("consent-texts/", ConsentTexts.as_view()),
    path("applications/<str:application>/", ApplicationDetail.as_view()),
    path("members/<str:number>/", MemberDetail.as_view()),
    path("members/<str:number>/consents/", MemberConsents.as_view()),
    path("members/<str:number>/groups/", MemberGroups.as_view()),
    path("companies/<int:company>/members/", CompanyMembers.as_view()),
]
