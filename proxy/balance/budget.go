package balance

// Envoy's retry_budget.
const (
	budgetPercent = 20 // budget_percent
	budgetLeast   = 3  // min_retry_concurrency
)

// Budget bounds the retries of one service, so that they do not hold down one
// that fails because of its load. The zero value has all to give.
type Budget struct{ retries int }

// Allow reports whether a request may be tried again now; Done must follow when
// that attempt is over. active is the requests in flight, those that are tried
// again among them. Retries are 20 % of the others, or 3: as many as they add
// to the load. (Envoy takes 20 % of all, which adds 25 %.)
func (b *Budget) Allow(active int) bool {
	if b.retries >= max((active-b.retries)*budgetPercent/100, budgetLeast) {
		return false
	}
	b.retries++
	return true
}

// Done ends a retry that was allowed.
func (b *Budget) Done() { b.retries-- }
