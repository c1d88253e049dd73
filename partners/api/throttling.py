from rest_framework.throttling import SimpleRateThrottle


class ClientThrottle(SimpleRateThrottle):
    scope = "client"

    def get_cache_key(self, request, view):
        return None
