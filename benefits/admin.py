"""What staff see of the catalogue in the console: reference data, and orders."""

from django.contrib import admin

from benefits.forms.category import CategoryForm
from benefits.models.items import Category
from benefits.order_admin import OrderAdmin
from common.staff import StaffAdmin

__all__ = ["CategoryAdmin", "OrderAdmin"]


@admin.register(Category)
class CategoryAdmin(StaffAdmin):
    """The shelves of the points shop."""

    form = CategoryForm
    list_display = ["__str__", "code", "position", "is_active"]
    ordering = ["position", "pk"]
