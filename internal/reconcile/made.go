package reconcile

import "sync"

// madeGrants knows the client of each grant that was just made. The ledger
// learns of a grant when its client's record is saved, which at two calls a
// second is seconds later, and the log tells of a deletion by the grant's id
// alone: without this, one that falls in between would be of nobody's grant.
// What is older than a restart is of no use here: the record is due then.
type madeGrants struct {
	mu     sync.Mutex
	owners recent // grant id to client id
	edited recent // ids of grants that were edited and are not among these
}

// grantsKept is how many grants of each kind are remembered. Auth0 allows 16
// writes a second, so this is minutes.
const grantsKept = 4096

// made notes a grant, and reports whether it was edited before that.
func (m *madeGrants) made(grantID, clientID string) (edited bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owners.put(grantID, clientID)
	_, edited = m.edited.byID[grantID]
	return edited
}

// owner is the client of an edited grant, empty if it was not just made.
func (m *madeGrants) owner(grantID string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if client, ok := m.owners.byID[grantID]; ok {
		return client
	}
	m.edited.put(grantID, "")
	return ""
}

// recent is a map that forgets what came first when there is too much.
type recent struct {
	byID  map[string]string
	order []string // a ring, once it is full
	next  int
}

func (r *recent) put(id, value string) {
	if r.byID == nil {
		r.byID = map[string]string{}
	}
	if _, known := r.byID[id]; !known {
		if len(r.order) < grantsKept {
			r.order = append(r.order, id)
		} else {
			delete(r.byID, r.order[r.next])
			r.order[r.next] = id
			r.next = (r.next + 1) % grantsKept
		}
	}
	r.byID[id] = value
}
