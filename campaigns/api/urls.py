from django.urls import path

from campaigns.api.activity_views import ActivityList, MemberTasks
from campaigns.api.batch_views import BatchList
from campaigns.api.views import PurchaseDetail, PurchaseList, QuoteList, ReturnList, VestingList

urlpatterns = [
    path("activities/", ActivityList.as_view()),
    path("members/<str:number>/tasks/", MemberTasks.as_view()),
    path("batches/", BatchList.as_view()),
    path("purchases/", PurchaseList.as_view()),
    # `path`, because a document number may hold a slash.
    path("purchases/<path:reference>/returns/", ReturnList.as_view()),
    path("purchases/<path:reference>/vesting/", VestingList.as_view()),
    path("purchases/<path:reference>/", PurchaseDetail.as_view()),
    path("quotes/", QuoteList.as_view()),
]
