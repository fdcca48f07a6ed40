// The resources that the service has, in the order in which they were added.

import type { Resource } from "../resource.ts";
// msctl:each resource
import { spareGadgets } from "./spare-gadgets.ts";
// msctl:end

export const resources: Resource[] = [];
// msctl:each resource
resources.push(spareGadgets);
// msctl:end
