package api

import (
	"github.com/rekeyhq/rekey/customer"
)

// found is Commerce's answer to a search, which repeats the criteria.
type found struct {
	Items    []account  `json:"items"`
	Criteria searchedBy `json:"search_criteria"`
	Total    int64      `json:"total_count"`
}

type searchedBy struct {
	Groups []searchedGroup `json:"filter_groups"`
	Orders []searchedOrder `json:"sort_orders,omitempty"`
	Size   int             `json:"page_size"`
	Page   int             `json:"current_page"`
}

type searchedGroup struct {
	Filters []searchedFilter `json:"filters"`
}

type searchedFilter struct {
	Field string `json:"field"`
	Value string `json:"value"`
	Type  string `json:"condition_type"`
}

type searchedOrder struct {
	Field     string `json:"field"`
	Direction string `json:"direction"`
}

// search lists the customers of the caller's websites. Beyond the last page there is nothing, where Commerce repeats the last.
func (c *call) search() (any, error) {
	asked, err := readCriteria(c.r)
	if err != nil {
		return nil, err
	}
	wanted := asked.wanted()
	page, err := c.Customers.FindBy(c.r.Context(), c.permit, wanted)
	if err != nil {
		return nil, err
	}
	answer := found{Items: make([]account, len(page.Customers)), Criteria: repeated(wanted), Total: page.Total}
	for i, one := range page.Customers {
		answer.Items[i] = c.account(one, page.Books[one.ID])
	}
	return answer, nil
}

// repeated is what was searched by, in the answer's spelling.
func repeated(w customer.Criteria) searchedBy {
	by := searchedBy{Groups: make([]searchedGroup, len(w.Groups)), Size: w.Limit, Page: max(w.Page, 1)}
	if by.Size == 0 {
		by.Size = customer.DefaultPageSize
	}
	for i, group := range w.Groups {
		for _, f := range group {
			by.Groups[i].Filters = append(by.Groups[i].Filters, searchedFilter{f.Field, f.Value, f.Type})
		}
	}
	for _, o := range w.Orders {
		direction := "ASC"
		if o.Desc {
			direction = "DESC"
		}
		by.Orders = append(by.Orders, searchedOrder{o.Field, direction})
	}
	return by
}
