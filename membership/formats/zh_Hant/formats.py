# Banks, tills and shops group by three; Django's own format does not group at all.
THOUSAND_SEPARATOR = ","
NUMBER_GROUPING = 3
