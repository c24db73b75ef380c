/* Which method computes a correlation: the direct one, or Winograd's. It depends on the shape of one image and of the filters, never on how many
   images there are, so that an image has the same bits alone and in a batch. */
#ifndef FASTCNN_ALGORITHM_H
#define FASTCNN_ALGORITHM_H

#include <stdbool.h>
#include <stdint.h>

#include "fastcnn.h"
#include "windows.h"

/* Bytes of transformed filters that are in memory at a time. */
enum { FCNN_WINOGRAD_FILTERS = 5 * 1024 * 1024 };

/* Columns of a panel of filters, in the kernels that have the most. */
enum { FCNN_WIDEST_PANEL = 64 };

/* For windows x filters, `filters` of them: the forward pass and the input gradient. */
fcnn_conv2d_choice fcnn_choose_correlation(const fcnn_windows *windows, int64_t filters, bool double_precision);

/* Whether Winograd's method, with such tiles, has fewer of the pixels that windows read than of their results. */
bool fcnn_winograd_scatters(const fcnn_windows *windows, int64_t tile);

/* For the sum over windows of patches x dy, of `filters` columns. */
fcnn_conv2d_choice fcnn_choose_weight_gradient(const fcnn_windows *windows, int64_t filters, bool double_precision);

#endif
