import * as fields from "../fields.ts";
import { resource } from "../resource.ts";

export const spareGadgets = resource({
  name: "spare gadget",
  type: "SpareGadget",
  path: "/spare-gadgets",
  table: "spare_gadgets",
  fields: {
    // msctl:fields
    // msctl:field string
    title: fields.string,
    // msctl:field text
    notes: fields.text,
    // msctl:field int
    stock: fields.integer,
    // msctl:field decimal
    price: fields.decimal,
    // msctl:field bool
    active: fields.boolean,
    // msctl:field datetime
    released_at: fields.moment,
    // msctl:end
  },
});
