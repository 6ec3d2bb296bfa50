package oracle

import (
	"cmp"
	"math"
	"slices"
)

// AUC is the chance that a value of a is greater than one of b, ties counting half: the Mann–Whitney statistic U divided by the
// number of pairs. 0.5 says that neither tells itself apart. sigma is the standard error of AUC where both come from one source.
func AUC(a, b []float64) (auc, sigma float64) {
	type value struct {
		v     float64
		fromA bool
	}
	n, m := float64(len(a)), float64(len(b))
	if n == 0 || m == 0 {
		return 0.5, math.Inf(1)
	}
	all := make([]value, 0, len(a)+len(b))
	for _, v := range a {
		all = append(all, value{v, true})
	}
	for _, v := range b {
		all = append(all, value{v, false})
	}
	slices.SortFunc(all, func(x, y value) int { return cmp.Compare(x.v, y.v) })
	ranks := 0.0 // of a's values; equal values share the mean of their ranks
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].v == all[i].v {
			j++
		}
		mean := float64(i+j+1) / 2
		for ; i < j; i++ {
			if all[i].fromA {
				ranks += mean
			}
		}
	}
	return (ranks - n*(n+1)/2) / (n * m), math.Sqrt((n + m + 1) / (12 * n * m))
}
