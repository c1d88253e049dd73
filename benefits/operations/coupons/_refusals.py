"""Why a coupon is not taken. The codes are part of the contract with tills."""

from django.utils.translation import gettext_lazy as _

from common.errors import DomainError, Invalid, NotFound


class UnknownCoupon(NotFound):
    """Also of a batch whose codes nobody may use yet."""

    code = "unknown_coupon"
    message = _("There is no coupon with this code.")


class CouponExpired(DomainError):
    code = "coupon_expired"
    title = _("After its last day")
    message = _("The coupon was good until %(last_day)s, that day included.")


class CouponNotYet(DomainError):
    code = "coupon_not_yet"
    title = _("Before its first day")
    message = _("The coupon is good from %(first_day)s on.")


class CouponRevoked(DomainError):
    code = "coupon_revoked"
    title = _("Withdrawn")
    message = _("The coupon was withdrawn.")


class WrongStore(DomainError):
    code = "wrong_store"
    title = _("Not good at this store")
    message = _("The coupon is not good at this store.")


class CouponUsed(DomainError):
    """Without details: whoever asks belongs neither to the brand nor to who took it."""

    code = "coupon_used"
    title = _("Used a second time")
    message = _("The coupon was used already.")


class CouponUsedThere(CouponUsed):
    message = _("The coupon was used already: %(used_at)s, %(store)s, receipt %(receipt)s.")


class CouponReserved(DomainError):
    code = "coupon_reserved"
    title = _("Reserved elsewhere")
    message = _("The coupon is reserved for another receipt until %(until)s.")


class AnotherMembersCoupon(DomainError):
    code = "another_members_coupon"
    message = _("The coupon belongs to another member.")


class MemberLimitReached(DomainError):
    code = "coupon_limit_reached"
    message = _("A member may have at most %(most)s of these coupons.")


class MemberNeeded(Invalid):
    code = "member_needed"
    message = _("This coupon is limited per member: name the member.")


class BillNeeded(Invalid):
    code = "bill_needed"
    message = _("Say what is bought: what the coupon is worth depends on it.")


class BillTooLong(Invalid):
    code = "bill_too_long"
    message = _("A receipt has at most %(most)s lines here.")


class NothingQualifies(DomainError):
    code = "nothing_qualifies"
    message = _("Nothing on the receipt is what the coupon is good for.")


class ReceiptNeeded(Invalid):
    code = "receipt_needed"
    message = _("Say on which receipt the coupon is used.")


class NotUsed(DomainError):
    code = "coupon_not_used"
    message = _("The coupon is not used, or not by this store.")


class TooLateToUndoCoupon(DomainError):
    code = "too_late_to_undo_coupon"
    message = _("The use of a coupon can be undone within %(minutes)s minutes.")
