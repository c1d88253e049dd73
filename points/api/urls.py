from django.urls import path

from points.api.views import Account, EntryList, RedemptionDetail, RedemptionList

urlpatterns = [
    path("members/<str:number>/account/", Account.as_view()),
    path("members/<str:number>/entries/", EntryList.as_view()),
    path("redemptions/", RedemptionList.as_view()),
    # `path`, because a document number may hold a slash.
    path("redemptions/<path:reference>/", RedemptionDetail.as_view()),
]
