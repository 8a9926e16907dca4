/* augment.c: Arguments of augmentations of the raw input; the runtime transforms the images. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/settings/forms.h"
#include "graph/op.h"
#include "ops/registry.h"

static const Param none[] = {{0}};
static const Param shift_params[] = {
    {"pixels", PARAM_INT, NULL, "largest shift along each axis", 0, 1e6, NULL}, {0}};
static const Param rotate_params[] = {
    {"degrees", PARAM_NUMBER, NULL, "largest angle of rotation in either direction", 0, 180, NULL}, {0}};
static const Param zoom_params[] = {{"range", PARAM_RANGE, NULL, "smallest..largest factor", 1e-3, 1e3, NULL},
                                    {0}};
static const Param brightness_params[] = {
    {"delta", PARAM_NUMBER, NULL, "largest change, as a fraction of the full scale", 0, 1, NULL}, {0}};
static const Param contrast_params[] = {
    {"range", PARAM_RANGE, NULL, "smallest..largest factor", 0, 1e3, NULL}, {0}};
static const Param size_params[] = {
    {"size", PARAM_WINDOW, NULL, "size of the region: N, HxW or [h, w]", 0, 0, NULL}, {0}};
static const Param noise_params[] = {
    {"std", PARAM_NUMBER, NULL, "standard deviation, as a fraction of the full scale", 0, 1e6, NULL}, {0}};
static const Param resized_crop_params[] = {
    {"range", PARAM_RANGE, NULL, "smallest..largest fraction of the area", 1e-3, 1, NULL}, {0}};
static const Param hue_params[] = {
    {"delta", PARAM_NUMBER, NULL, "largest shift, as a fraction of the color circle", 0, 0.5, NULL}, {0}};
static const Param alpha_params[] = {
    {"alpha", PARAM_NUMBER, NULL, "parameter of the beta distribution from which the mixing ratio is drawn",
     1e-6, 1e6, NULL},
    {0}};

static const Param time_shift_params[] = {
    {"milliseconds", PARAM_NUMBER, NULL, "largest shift in either direction", 0, 1e6, NULL}, {0}};
static const Param gain_params[] = {
    {"range", PARAM_RANGE, NULL, "smallest..largest gain in dB", -200, 200, NULL}, {0}};
static const Param background_params[] = {
    {"snr", PARAM_RANGE, NULL, "smallest..largest signal-to-noise ratio in dB", -200, 200, NULL},
    {"share", PARAM_NUMBER, "0.8", "probability that a sound gets noise", 0, 1, NULL},
    {0}};
static const Param speed_params[] = {{"range", PARAM_RANGE, NULL, "smallest..largest factor", 0.1, 10, NULL},
                                     {0}};

static const Form hflip = {"hflip", "random horizontal flip, with probability 1/2", none, AUGMENT_PICTURE};
static const Form vflip = {"vflip", "random vertical flip, with probability 1/2", none, AUGMENT_PICTURE};
static const Form shift = {"shift", "random shift by up to `pixels` pixels", shift_params, AUGMENT_PICTURE};
static const Form rotate = {"rotate", "random rotation about the center", rotate_params, AUGMENT_PICTURE};
static const Form zoom = {"zoom", "random zoom about the center", zoom_params, AUGMENT_PICTURE};
static const Form brightness = {"brightness", "random change of brightness", brightness_params,
                                AUGMENT_SHADE};
static const Form contrast = {"contrast", "random change of contrast, about the mean", contrast_params,
                              AUGMENT_SHADE};
static const Form cutout = {"cutout", "erases a random region", size_params, AUGMENT_PICTURE};
static const Form noise = {"noise", "adds noise with a normal distribution", noise_params, AUGMENT_ANY};
static const Form crop = {"crop", "random crop of the given size, resized to the input's size", size_params,
                          AUGMENT_PIECE};
static const Form resized_crop = {"resized_crop",
                                  "random crop with a random area, resized to the input's size",
                                  resized_crop_params, AUGMENT_PICTURE};
static const Form saturation = {"saturation", "random change of saturation", contrast_params, AUGMENT_COLOR};
static const Form hue = {"hue", "random change of hue", hue_params, AUGMENT_COLOR};
static const Form mixup = {"mixup", "mixes two samples and their targets (Zhang et al., 2018)", alpha_params,
                           AUGMENT_MIX};
static const Form cutmix = {"cutmix",
                            "pastes a region of another sample, and mixes the targets (Yun et al., 2019)",
                            alpha_params, AUGMENT_MIX_PICTURE};

static const Form time_shift = {"time_shift", "random shift in time; the gap is filled with silence",
                                time_shift_params, AUGMENT_TIME};
static const Form gain = {"gain", "random change of loudness", gain_params, AUGMENT_SOUND};
static const Form background = {"background",
                                "mixes in noise from the WAV files of the folder _background_noise_",
                                background_params, AUGMENT_SOUND};
static const Form speed = {"speed", "random change of speed and pitch; the middle of the sound stays fixed",
                           speed_params, AUGMENT_SOUND};

const Form *const augment_table[] = {
    &hflip,        &vflip,      &shift, &rotate, &zoom,   &brightness, &contrast, &cutout,     &noise, &crop,
    &resized_crop, &saturation, &hue,   &mixup,  &cutmix, &time_shift, &gain,     &background, &speed, NULL};
