from datetime import date, timedelta
from decimal import Decimal

from django.db import transaction
from rest_framework import generics, serializers

from benchmarks.yardsticks.plain import operations
from benchmarks.yardsticks.plain.models import Member, Purchase, Store

YUAN_PER_POINT = 10
LOT_DAYS = 365


class LineSerializer(serializers.Serializer):
    line = serializers.CharField(max_length=32)
    category = serializers.CharField(max_length=32, required=False)
    amount = serializers.DecimalField(max_digits=14, decimal_places=2)


class PurchaseSerializer(serializers.ModelSerializer):
    member = serializers.SlugRelatedField("number", queryset=Member.objects.all())
    store = serializers.SlugRelatedField("code", queryset=Store.objects.all())
    lines = LineSerializer(many=True)
    points = serializers.SerializerMethodField()

    class Meta:
        model = Purchase
        fields = ["reference", "member", "store", "amount", "lines", "points"]

    def get_points(self, purchase: Purchase) -> int:
        return int(sum(Decimal(line["amount"]) for line in purchase.lines)) // YUAN_PER_POINT

    @transaction.atomic
    def create(self, validated_data):
        lines = [line | {"amount": str(line["amount"])} for line in validated_data["lines"]]
        purchase = Purchase.objects.create(**validated_data | {"lines": lines})
        operations.earn(
            member_id=purchase.member_id,
            points=self.get_points(purchase),
            expires_on=date.today() + timedelta(days=LOT_DAYS),  # noqa: DTZ011 - as one writes it
            reference=purchase.reference,
            store_id=purchase.store_id,
        )
        return purchase


class Purchases(generics.CreateAPIView):
    serializer_class = PurchaseSerializer
