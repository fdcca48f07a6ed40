"""The resources that the service has."""

from acme_widgets.resource import Resource
# msctl:each resource
from acme_widgets.spare_gadgets import spare_gadgets
# msctl:end

RESOURCES: list[Resource] = [
    # msctl:each resource
    spare_gadgets,
    # msctl:end
]
