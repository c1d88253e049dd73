from django.urls import path

from points.api.hold_views import ConfirmationDetail, HoldDetail, HoldList, ReleaseDetail
from points.api.transfer_views import TransferDetail, TransferList
from points.api.views import (
    Account,
    CancellationList,
    EntryList,
    RedemptionDetail,
    RedemptionList,
)

urlpatterns = [
    path("members/<str:number>/account/", Account.as_view()),
    path("members/<str:number>/entries/", EntryList.as_view()),
    path("redemptions/", RedemptionList.as_view()),
    # `path`, because a document number may hold a slash.
    path("redemptions/<path:reference>/cancellations/", CancellationList.as_view()),
    path("redemptions/<path:reference>/", RedemptionDetail.as_view()),
    path("holds/", HoldList.as_view()),
    path("holds/<path:reference>/confirmation/", ConfirmationDetail.as_view()),
    path("holds/<path:reference>/release/", ReleaseDetail.as_view()),
    path("holds/<path:reference>/", HoldDetail.as_view()),
    path("transfers/", TransferList.as_view()),
    path("transfers/<path:reference>/", TransferDetail.as_view()),
]
