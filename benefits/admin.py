"""Reference data of the catalogue, edited by staff in the console."""

from django.contrib import admin

from benefits.forms.category import CategoryForm
from benefits.models.items import Category
from common.staff import StaffAdmin


@admin.register(Category)
class CategoryAdmin(StaffAdmin):
    """The shelves of the points shop."""

    form = CategoryForm
    list_display = ["__str__", "code", "position", "is_active"]
    ordering = ["position", "pk"]
