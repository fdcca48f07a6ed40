package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ErrNoItem says that the catalog does not have the item.
var ErrNoItem = errors.New("no such item")

// Item is what the catalog says about an item.
type Item struct {
	ID         int64  `json:"id"`
	Name       string `json:"name"`
	PriceCents int64  `json:"price_cents"`
	Stock      int64  `json:"stock"`
}

// Catalog is a client of the catalog service.
type Catalog struct {
	url    string
	client *http.Client
}

// NewCatalog returns a client of the catalog at baseURL.
func NewCatalog(baseURL string) *Catalog {
	return &Catalog{url: baseURL, client: &http.Client{Timeout: 3 * time.Second}}
}

// Item looks an item up. The error is ErrNoItem when the catalog does not have
// it; any other means that the catalog could not tell.
func (c *Catalog) Item(ctx context.Context, id int64) (Item, error) {
	target, err := url.JoinPath(c.url, "items", strconv.FormatInt(id, 10))
	if err != nil {
		return Item{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return Item{}, err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return Item{}, err
	}
	defer resp.Body.Close()

	switch resp.StatusCode {
	case http.StatusOK:
		var item Item
		if err := json.NewDecoder(resp.Body).Decode(&item); err != nil {
			return Item{}, fmt.Errorf("read item %d: %w", id, err)
		}
		return item, nil
	case http.StatusNotFound:
		return Item{}, fmt.Errorf("%w: %d", ErrNoItem, id)
	default:
		return Item{}, fmt.Errorf("get item %d: %s", id, resp.Status)
	}
}
