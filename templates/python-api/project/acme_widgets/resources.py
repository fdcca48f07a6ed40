"""The resources that the service has, in the order in which they were added."""
# isort: skip_file

from fastapi import APIRouter

# msctl:each resource
from acme_widgets.spare_gadgets import router as spare_gadgets
# msctl:end

ROUTERS: list[APIRouter] = []
# msctl:each resource
ROUTERS.append(spare_gadgets)
# msctl:end
