/* augment.c: the arguments of augmentations, on the raw input; what is done to the pictures is the runtime's.
 */
// SPDX-License-Identifier: Apache-2.0
#include "ops/settings/forms.h"
#include "graph/op.h"
#include "ops/registry.h"

static const Param none[] = {{0}};
static const Param shift_params[] = {
    {"pixels", PARAM_INT, NULL, "at most so far along each axis", 0, 1e6, NULL}, {0}};
static const Param rotate_params[] = {
    {"degrees", PARAM_NUMBER, NULL, "at most so far either way", 0, 180, NULL}, {0}};
static const Param zoom_params[] = {
    {"range", PARAM_RANGE, NULL, "from the smallest to the largest factor", 1e-3, 1e3, NULL}, {0}};
static const Param brightness_params[] = {
    {"delta", PARAM_NUMBER, NULL, "at most so much is added, as a part of the full scale", 0, 1, NULL}, {0}};
static const Param contrast_params[] = {
    {"range", PARAM_RANGE, NULL, "from the smallest to the largest factor", 0, 1e3, NULL}, {0}};
static const Param size_params[] = {
    {"size", PARAM_WINDOW, NULL, "of the piece: N, HxW or [h, w]", 0, 0, NULL}, {0}};
static const Param noise_params[] = {
    {"std", PARAM_NUMBER, NULL, "standard deviation, as a part of the full scale", 0, 1e6, NULL}, {0}};
static const Param resized_crop_params[] = {
    {"range", PARAM_RANGE, NULL, "from the smallest to the largest part of the area", 1e-3, 1, NULL}, {0}};
static const Param hue_params[] = {
    {"delta", PARAM_NUMBER, NULL, "at most so far around the circle of colors", 0, 0.5, NULL}, {0}};
static const Param alpha_params[] = {
    {"alpha", PARAM_NUMBER, NULL, "of the beta distribution that the share is drawn from", 1e-6, 1e6, NULL},
    {0}};

static const Form hflip = {"hflip", "left and right exchanged, every second time", none, AUGMENT_PICTURE};
static const Form vflip = {"vflip", "top and bottom exchanged, every second time", none, AUGMENT_PICTURE};
static const Form shift = {"shift", "moved by some pixels", shift_params, AUGMENT_PICTURE};
static const Form rotate = {"rotate", "turned about the center", rotate_params, AUGMENT_PICTURE};
static const Form zoom = {"zoom", "enlarged or shrunk about the center", zoom_params, AUGMENT_PICTURE};
static const Form brightness = {"brightness", "made lighter or darker", brightness_params, AUGMENT_PICTURE};
static const Form contrast = {"contrast", "stretched about the mean", contrast_params, AUGMENT_PICTURE};
static const Form cutout = {"cutout", "a piece made empty", size_params, AUGMENT_PICTURE};
static const Form noise = {"noise", "normal noise added", noise_params, AUGMENT_ANY};
static const Form crop = {"crop", "a piece of that size, resampled to the input's", size_params,
                          AUGMENT_PIECE};
static const Form resized_crop = {"resized_crop", "a piece of some area, resampled to the input's size",
                                  resized_crop_params, AUGMENT_PICTURE};
static const Form saturation = {"saturation", "colors made stronger or weaker", contrast_params,
                                AUGMENT_COLOR};
static const Form hue = {"hue", "colors turned", hue_params, AUGMENT_COLOR};
static const Form mixup = {"mixup", "two samples and their targets mixed (Zhang et al., 2018)", alpha_params,
                           AUGMENT_MIX};
static const Form cutmix = {"cutmix",
                            "a piece of another sample, and its share of the target (Yun et al., 2019)",
                            alpha_params, AUGMENT_MIX_PICTURE};

const Form *const augment_table[] = {&hflip,    &vflip,  &shift,  &rotate, &zoom,         &brightness,
                                     &contrast, &cutout, &noise,  &crop,   &resized_crop, &saturation,
                                     &hue,      &mixup,  &cutmix, NULL};
