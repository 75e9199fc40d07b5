package store

// Count is of the runs of one workflow with one status.
type Count struct {
	Workflow, Status string

	Runs    int
	Seconds float64 // that those that have ended took, together
}

// Count counts the runs that are kept. It reads them all: a hundred thousand in some
// hundredths of a second.
func (s *Store) Count() ([]Count, error) {
	rows, err := s.read.Query(`SELECT workflow, status, count(*), total(CASE WHEN ended > 0 THEN ended - started ELSE 0 END) / 1000.0
		FROM runs GROUP BY workflow, status ORDER BY workflow, status`)
	if err != nil {
		return nil, s.explain(err)
	}
	defer rows.Close()
	var all []Count
	for rows.Next() {
		var c Count
		if err := rows.Scan(&c.Workflow, &c.Status, &c.Runs, &c.Seconds); err != nil {
			return nil, s.explain(err)
		}
		all = append(all, c)
	}
	return all, s.explain(rows.Err())
}
