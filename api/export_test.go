package api

// StaffRoutes are the methods and paths of every route for the store's staff, for tests that must not forget one.
func StaffRoutes() (all [][2]string) {
	for _, r := range routes {
		if r.right != "" {
			all = append(all, [2]string{r.method, r.path})
		}
	}
	return all
}
