package api

import (
	"example.com/acme-widgets/internal/resource"
	"example.com/acme-widgets/internal/store"
)

// SpareGadget is one of the spare gadgets.
type SpareGadget struct {
	resource.Base
	// msctl:fields
	// msctl:field string
	Title string `json:"title"`
	// msctl:field text
	Notes string `json:"notes"`
	// msctl:field int
	Stock int64 `json:"stock"`
	// msctl:field decimal
	Price resource.Number `json:"price"`
	// msctl:field bool
	Active bool `json:"active"`
	// msctl:field datetime
	ReleasedAt resource.Time `json:"released_at"`
	// msctl:end
}

// Fields is what a client sets.
func (g *SpareGadget) Fields() []resource.Field {
	return []resource.Field{
		// msctl:fields
		// msctl:field string
		resource.String("title", &g.Title),
		// msctl:field text
		resource.Text("notes", &g.Notes),
		// msctl:field int
		resource.Int("stock", &g.Stock),
		// msctl:field decimal
		resource.Decimal("price", &g.Price),
		// msctl:field bool
		resource.Bool("active", &g.Active),
		// msctl:field datetime
		resource.DateTime("released_at", &g.ReleasedAt),
		// msctl:end
	}
}

func addSpareGadgets(s *server, db *store.Store) {
	add(s, "/spare-gadgets", "spare gadget", store.NewTable[SpareGadget](db, "spare_gadgets"))
}
