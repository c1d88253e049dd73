"""
Asking WeChat's browser who it is (网页授权): away with a state, back with the state and a code.

A state is good once, in its own session, for some minutes. `messaging.operations` makes an openid
of the code.
"""

import hmac
import secrets
import time

from django.http import HttpRequest, HttpResponseRedirect

from messaging.channels import wechat

# What a browser that was sent to WeChat must bring back, and since when it is away.
STATE = "wechat_state"
BACK_WITHIN_SECONDS = 600


def away(request: HttpRequest, *, back: str) -> HttpResponseRedirect:
    """
    Send the browser to WeChat. Nothing changes before it comes back.

    :param back: the whole address it comes back to
    """
    state = secrets.token_hex(16)
    request.session[STATE] = [state, int(time.time())]
    return HttpResponseRedirect(wechat.authorization_url(back=back, state=state))


def came_back(request: HttpRequest) -> str:
    """The code it brought; empty if it is not this browser that was sent away, or not just now."""
    state, since = request.session.pop(STATE, ["", 0])
    given, code = request.GET.get("state", ""), request.GET.get("code", "")
    is_ours = bool(state) and hmac.compare_digest(state.encode(), given.encode())
    is_good = is_ours and time.time() - since <= BACK_WITHIN_SECONDS
    return code if is_good else ""
