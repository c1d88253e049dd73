"""What other systems call: tokens, the REST API, its schema, health."""

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from oauth2_provider.views import RevokeTokenView

from benefits.api import urls as benefits
from campaigns.api import urls as campaigns
from common.api.problems import problems
from common.api.views import NoSuchResource
from members.api import urls as members
from membership import health
from partners.api.tokens import LimitedTokenView
from points.api import urls as points
from tiers.api import urls as tiers

# One flat list: each level of `include` costs a till's request.
v1 = [
    *campaigns.urlpatterns,
    *points.urlpatterns,
    *members.urlpatterns,
    *tiers.urlpatterns,
    *benefits.urlpatterns,
]

# Swagger UI styles its elements; its script is a file of ours, so nothing else is loosened.
docs = csp_replace({"style-src": [SELF, UNSAFE_INLINE]})(
    SpectacularSwaggerSplitView.as_view(url_name="schema")
)

urlpatterns = [
    path("api/v1/", include(v1)),
    path("oauth/token/", LimitedTokenView.as_view(), name="token"),
    path("oauth/revoke_token/", RevokeTokenView.as_view(), name="revoke-token"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", docs, name="docs"),
    path("api/problems/", problems),
    re_path(r"^api/", NoSuchResource.as_view()),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
]
