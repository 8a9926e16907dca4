/* error.h: conversion of Windows errors and paths to POSIX. Private to platform/windows. */
// SPDX-License-Identifier: MIT-0
#ifndef PLATFORM_ERROR_H
#define PLATFORM_ERROR_H
int windows_error(void); /* sets errno from GetLastError(); returns -1 */
void slashes_forward(char *path);
#endif
