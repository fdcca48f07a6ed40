package consul

import (
	"encoding/json"
	"net/http"

	"github.com/msctl/msctl/registry/keys"
)

// maxOps is how many operations a transaction may have (Consul's).
const maxOps = 128

// txnOp is one operation of a transaction; those of keys are done.
type txnOp struct {
	KV                              *keys.Op
	Node, Service, Check, Intention *json.RawMessage
}

// txnResult is what an operation has read or written.
type txnResult struct{ KV *keys.Entry }

// txnError is why an operation could not be done.
type txnError struct {
	OpIndex int
	What    string
}

// txnAnswer is what /v1/txn answers.
type txnAnswer struct {
	Results []txnResult
	Errors  []txnError
}

// txnRead is what it answers where nothing is written.
type txnRead struct {
	txnAnswer
	Index       uint64
	LastContact int
	KnownLeader bool
}

func (s *Server) txn(r *http.Request) (answer, error) {
	var sent []txnOp
	if err := bounded(r, &sent, keys.MaxValue); err != nil {
		return answer{}, err
	}
	if len(sent) > maxOps {
		return answer{}, failf(http.StatusRequestEntityTooLarge, "Transaction contains too many operations (%d > %d)", len(sent), maxOps)
	}
	ops := make([]keys.Op, 0, len(sent))
	reads := true
	for _, one := range sent {
		if one.Node != nil || one.Service != nil || one.Check != nil || one.Intention != nil {
			return answer{}, failf(http.StatusNotImplemented, "msctl's registry has transactions of keys, and of nothing else")
		}
		if one.KV == nil {
			continue
		}
		if one.KV.Key == "" && one.KV.Verb != keys.GetTree && one.KV.Verb != keys.DeleteTree {
			return answer{}, errNoKey
		}
		ops = append(ops, *one.KV)
		reads = reads && one.KV.Verb.Reads()
	}
	out, status := txnAnswer{}, 0
	found, refused := s.keys.Do(ops...)
	for _, one := range refused {
		out.Errors = append(out.Errors, txnError{one.Op, one.Err.Error()})
		status = http.StatusConflict
	}
	if len(refused) == 0 {
		out.Results = []txnResult{}
	}
	for _, e := range found {
		out.Results = append(out.Results, txnResult{e})
	}
	if reads {
		return answer{value: txnRead{out, 1, 0, true}, status: status}, nil
	}
	return answer{value: out, status: status}, nil
}
